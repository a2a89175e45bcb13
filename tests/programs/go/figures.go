// Collects garbage, keeps goroutines waiting, and tells what its runtime says of both.
//
// Truth: the line `figures` has collections, last pause, all pauses, time of the last collection,
// goal of the next and goroutines, of which 40 wait and one is main; nothing of it changes
// after `quiet`.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

var kept [][]byte

func main() {
	runtime.MemProfileRate = 4096
	for block := 0; block < 100; block++ {
		kept = append(kept, make([]byte, 100_000))
	}
	stop, ended := make(chan bool), make(chan bool)
	for waiting := 0; waiting < 40; waiting++ {
		go func() { <-stop }()
	}
	for short := 0; short < 1000; short++ {
		go func() { ended <- true }()
	}
	for short := 0; short < 1000; short++ {
		<-ended
	}
	for runtime.NumGoroutine() > 41 {
		runtime.Gosched()
	}
	for collection := 0; collection < 5; collection++ {
		runtime.GC()
	}
	// From here on only the program's end collects.
	debug.SetGCPercent(200)
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	last := stats.PauseNs[(stats.NumGC+255)%256]
	fmt.Println("figures", stats.NumGC, last, stats.PauseTotalNs, stats.LastGC, stats.NextGC,
		runtime.NumGoroutine())
	fmt.Println("quiet")
	os.Stdin.Read(make([]byte, 1))
	runtime.KeepAlive(kept)
}
