// Keeps one block for each of 2^DEPTH call stacks, and tells nothing of its heap profile.
//
// Truth: after `quiet 1` there are 2^DEPTH blocks of 48 bytes, made by main.keep through every
// sequence of main.left and main.right of that length; each line on standard input adds one block
// to each of them and prints `quiet` with the number of the round.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
)

type block struct {
	next *block
	rest [5]int
}

var kept *block

//go:noinline
func left(path, depth int) {
	switch {
	case depth == 0:
		keep()
	case path&1 == 0:
		left(path>>1, depth-1)
	default:
		right(path>>1, depth-1)
	}
}

//go:noinline
func right(path, depth int) {
	switch {
	case depth == 0:
		keep()
	case path&1 == 0:
		left(path>>1, depth-1)
	default:
		right(path>>1, depth-1)
	}
}

//go:noinline
func keep() { kept = &block{next: kept} }

func main() {
	depth, _ := strconv.Atoi(os.Args[1])
	runtime.MemProfileRate = 1
	input := bufio.NewScanner(os.Stdin)
	for round := 1; ; round++ {
		for path := 0; path < 1<<depth; path++ {
			left(path, depth)
		}
		fmt.Println("quiet", round)
		if !input.Scan() {
			return
		}
	}
}
