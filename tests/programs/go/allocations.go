// Allocates known amounts, collects garbage until the profile has settled, waits, and ends as it
// is told.
//
// Truth: main.keepNodes keeps 200,000 nodes of 128 bytes, made in main.newNode, which is inlined;
// main.keepBlobs keeps 300 slices of 65,536 bytes; main.churn allocates 20,000 of 20,480 bytes and
// keeps one; main.(*shelf[...]).fill keeps one slice of 1 MiB; main.deep keeps 64 KiB below 40
// calls of itself. Nothing else keeps more than a few KiB.
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

type node struct {
	next    *node
	payload [120]byte
}

type shelf[T any] struct{ items []T }

var (
	list  *node
	blobs [][]byte
	last  []byte
	longs shelf[int64]
	below []byte
)

func newNode(next *node) *node { return &node{next: next} }

//go:noinline
func keepNodes(count int) {
	for i := 0; i < count; i++ {
		list = newNode(list)
	}
}

//go:noinline
func keepBlobs(count int) {
	blobs = make([][]byte, count)
	for i := range blobs {
		blobs[i] = make([]byte, 65536)
	}
}

//go:noinline
func churn(count int) {
	for i := 0; i < count; i++ {
		last = make([]byte, 20480)
	}
}

//go:noinline
func (s *shelf[T]) fill(count int) { s.items = make([]T, count) }

//go:noinline
func deep(calls int) int {
	if calls == 0 {
		below = make([]byte, 65536)
		return 0
	}
	return deep(calls-1) + 1
}

func allocate(done chan bool) {
	keepNodes(200000)
	keepBlobs(300)
	churn(20000)
	longs.fill(1 << 17)
	deep(40)
	done <- true
}

func end(how string) {
	switch how {
	case "exit":
		go os.Exit(3)
	case "panic":
		go panic("as it was told")
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "terminate":
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
	default:
		return
	}
	select {}
}

func main() {
	begin()
	done := make(chan bool)
	go allocate(done)
	<-done
	for i := 0; i < 4; i++ {
		runtime.GC()
	}
	tell()
	fmt.Println("quiet")
	os.Stdin.Read(make([]byte, 1))
	if len(os.Args) > 1 {
		end(os.Args[1])
	}
}
