// Allocates by every way that Go code has of calling: inlined functions and closures, method values,
// wrappers that the compiler makes, deferred calls, generics, goroutines, the standard library.
//
// Truth: what begin and tell make of it; see silent.go and writing.go. The packages are initialised
// before begin.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"sync"
)

var kept []interface{}

type pair[K comparable, V any] struct {
	key   K
	value V
}

type ordered[K comparable, V any] struct{ pairs []*pair[K, V] }

func (o *ordered[K, V]) put(key K, value V) { o.pairs = append(o.pairs, &pair[K, V]{key, value}) }

func each[T any](all []T, what func(T)) {
	for _, one := range all {
		what(one)
	}
}

type shape interface{ grow(by int) }

type base struct{ corners []int }

func (b *base) grow(by int) { b.corners = append(b.corners, make([]int, by)...) }

// Its grow is a wrapper that the compiler makes.
type square struct {
	*base
	name string
}

type byValue struct{ size int }

func (b byValue) grow(by int) { keep(make([]byte, b.size*by)) }

func keep(what interface{}) { kept = append(kept, what) }

func small() *[3]int { return &[3]int{1, 2, 3} }

func twice() (*[3]int, *[3]int) { return small(), small() }

//go:noinline
func closures() {
	count := 0
	next := func() *int { count++; made := count; return &made }
	for i := 0; i < 200; i++ {
		keep(next())
	}
	func() {
		defer func() { keep(recover()) }()
		defer keep(make([]byte, 777))
		panic(fmt.Sprint("on purpose ", count))
	}()
}

//go:noinline
func methods() {
	shapes := []shape{square{&base{}, "a"}, &square{&base{}, "b"}, byValue{100}, &byValue{200}}
	each(shapes, func(one shape) { one.grow(300) })
	grow := shapes[1].grow
	grow(400)
	keep(grow)
	(*byValue).grow(&byValue{7}, 9)
	reflect.ValueOf(shapes[3]).MethodByName("grow")
	reflect.ValueOf(keep).Call([]reflect.Value{reflect.ValueOf(make([]int, 40))})
}

//go:noinline
func containers() {
	words := map[string][]int{}
	for i := 0; i < 500; i++ {
		word := strings.Repeat("x", i%50)
		words[word] = append(words[word], i)
	}
	keep(words)
	var of ordered[string, float64]
	var other ordered[int32, []byte]
	for i := 0; i < 300; i++ {
		of.put(fmt.Sprintf("%d", i), float64(i))
		other.put(int32(i), []byte(strings.ToUpper("value")))
	}
	sort.Slice(of.pairs, func(i, j int) bool { return of.pairs[i].key < of.pairs[j].key })
	keep(&of)
	keep(&other)
	first, second := twice()
	keep(first)
	keep(second)
}

//go:noinline
func library() {
	var tree interface{}
	json.Unmarshal([]byte(`{"a": [1, 2.5, {"b": "c"}], "d": {"e": [true, null, "f"]}}`), &tree)
	text, _ := json.MarshalIndent(map[string]interface{}{"of": tree, "more": kept[:10]}, "", "  ")
	keep(regexp.MustCompile(`(a+|b*)c{2,5}([d-f]|\pL)+`).FindAllStringSubmatch(string(text), -1))
	var buffer bytes.Buffer
	fmt.Fprintf(&buffer, "%v %+v %#v\n", tree, of(3), []string{"x"})
	keep(buffer.String())
}

func of(size int) (made struct{ list []string }) {
	made.list = make([]string, size)
	return
}

//go:noinline
func goroutines() {
	var group sync.WaitGroup
	var lock sync.Mutex
	results := make(chan []int, 10)
	for worker := 0; worker < 10; worker++ {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			results <- make([]int, 100+worker)
			lock.Lock()
			defer lock.Unlock()
			keep(&base{make([]int, 50)})
		}(worker)
	}
	group.Wait()
	group.Add(1)
	go keepAndSay(&group, results)
	group.Wait()
}

func keepAndSay(group *sync.WaitGroup, results chan []int) {
	keep(results)
	group.Done()
}

func main() {
	begin()
	for round := 0; round < 20; round++ {
		closures()
		methods()
		containers()
		library()
		goroutines()
	}
	for i := 0; i < 4; i++ {
		runtime.GC()
	}
	tell()
	wait()
}

//go:noinline
func wait() {
	fmt.Println("quiet")
	os.Stdin.Read(make([]byte, 1))
}
