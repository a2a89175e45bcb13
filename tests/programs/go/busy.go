// Allocates and drops in eight goroutines from many call stacks, for as long as it is let, and
// counts what it did.
//
// Truth: every record of its heap profile has freed no more than allocated at any moment; it ends
// with status 0 and prints `sum` with a number that does not depend on who looks.
package main

import (
	"fmt"
	"os"
	"sync"
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

func main() {
	fmt.Println("ready")
	stop := make(chan bool)
	go func() {
		os.Stdin.Read(make([]byte, 1))
		close(stop)
	}()
	var group sync.WaitGroup
	sums := make([]int, 8)
	for worker := range sums {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			for path := 0; ; path++ {
				sum := grow(6, path&63).sum()
				if path == 20000 {
					sums[worker] = sum
				}
				select {
				case <-stop:
					if path > 20000 {
						return
					}
				default:
				}
			}
		}(worker)
	}
	group.Wait()
	fmt.Println("sum", sums)
}
