// Does the same small piece of work again and again in one goroutine, and measures how long each
// takes: it allocates a few dozen blocks from one of many call stacks, looks at them and drops them.
//
// For each line that it reads it prints `COUNT P50 P99 LONGEST`, nanoseconds, of what was done since
// the line before.
package main

import (
	"bufio"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

type tree struct {
	left, right *tree
	payload     [4]int
}

//go:noinline
func grow(depth, path int) *tree {
	if depth == 0 {
		return &tree{payload: [4]int{path}}
	}
	if path&1 == 0 {
		return &tree{left: grow(depth-1, path>>1), right: leaf(path)}
	}
	return &tree{left: leaf(path), right: grow(depth-1, path>>1)}
}

//go:noinline
func leaf(path int) *tree { return &tree{payload: [4]int{path}} }

func (t *tree) sum() int {
	if t == nil {
		return 0
	}
	return t.payload[0] + t.left.sum() + t.right.sum()
}

// Steps of 1/32 of a power of two: fine enough, and nothing is allocated for them.
const steps = 32

type times struct {
	counts  [64 * steps]int64
	longest int64
}

func (t *times) note(nanoseconds int64) {
	power, value := 0, nanoseconds
	for value >= 2*steps {
		value >>= 1
		power++
	}
	t.counts[power*steps+int(value)]++
	if nanoseconds > t.longest {
		t.longest = nanoseconds
	}
}

func (t *times) count() (count int64) {
	for _, here := range t.counts {
		count += here
	}
	return
}

func (t *times) share(share float64) int64 {
	left := int64(share * float64(t.count()))
	for place, here := range t.counts {
		if left -= here; left < 0 {
			if place < 2*steps {
				return int64(place)
			}
			return int64(steps+place%steps) << uint(place/steps-1)
		}
	}
	return t.longest
}

var kept = make([]*tree, 10000)

func main() {
	var asked int32
	answers := make(chan times)
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			atomic.StoreInt32(&asked, 1)
			answer := <-answers
			fmt.Println(answer.count(), answer.share(0.5), answer.share(0.99), answer.longest)
		}
		os.Exit(0)
	}()
	var now times
	for path := 0; ; path++ {
		begin := time.Now()
		made := grow(6, path&63)
		if made.sum() < 0 {
			panic("no sum is below 0")
		}
		// So that collections have something to do.
		kept[path%len(kept)] = made
		now.note(int64(time.Since(begin)))
		if atomic.LoadInt32(&asked) != 0 {
			atomic.StoreInt32(&asked, 0)
			answers <- now
			now = times{}
		}
	}
}
