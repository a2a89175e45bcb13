// Sixteen goroutines that allocate in C and in Go, and call from Go into C, back and forth again.
//
// Truth: each goroutine has C keep 100 blocks of 1,000 bytes below main.inC, and 100 below
// main.callback, which C calls; each keeps 100 slices of 4,096 bytes of Go's below main.inGo, and
// 100 below main.callback. Afterwards it prints `both 16` and waits.
package main

/*
#cgo CFLAGS: -O2 -fomit-frame-pointer
#include <stdlib.h>
#include <string.h>

extern void callback(int worker);

static void *kept[1 << 16];
static int count;

static __attribute__((noinline)) void c_keep(int blocks) {
	for (int i = 0; i < blocks; i++) {
		char *block = malloc(1000);
		memset(block, 1, 1000);
		kept[__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED)] = block;
	}
}

// The register of frame pointers holds a number meanwhile, as it may in C.
static __attribute__((noinline)) void c_call_back(int worker) {
	register long number __asm__("rbp") = 500;
	__asm__ volatile("" : "+r"(number));
	callback(worker);
	__asm__ volatile("" : "+r"(number));
}
*/
import "C"

import (
	"fmt"
	"os"
	"sync"
)

var (
	lock sync.Mutex
	kept [][]byte
)

//go:noinline
func keep(count int) {
	for i := 0; i < count; i++ {
		block := make([]byte, 4096)
		lock.Lock()
		kept = append(kept, block)
		lock.Unlock()
	}
}

//go:noinline
func inC() { C.c_keep(100) }

//go:noinline
func inGo() { keep(100) }

// So much stack that the goroutine's is moved, while C has the old frame pointer.
//
//go:noinline
func needStack(depth int) int {
	var room [64]int
	if depth > 0 {
		room[depth%64] = needStack(depth - 1)
	}
	return room[(depth+1)%64] + 1
}

//export callback
func callback(worker C.int) {
	needStack(100)
	keep(100)
	C.c_keep(100)
}

func main() {
	var group sync.WaitGroup
	for worker := 0; worker < 16; worker++ {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			inC()
			inGo()
			C.c_call_back(C.int(worker))
		}(worker)
	}
	group.Wait()
	fmt.Println("both 16")
	os.Stdin.Read(make([]byte, 1))
}
