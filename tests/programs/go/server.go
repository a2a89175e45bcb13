// Answers requests that it makes itself, and keeps something of each.
//
// Truth: main.remember keeps 2,048 bytes of each request, some 500 a second, for ever; main.handle
// allocates 65,536 bytes for each, which are garbage at once; main.start keeps 4 MiB from the
// start.
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

var (
	sessions = map[int][]byte{}
	tables   []byte
	scratch  []byte
)

//go:noinline
func start() { tables = make([]byte, 4<<20) }

//go:noinline
func remember(number int) { sessions[number] = make([]byte, 2048) }

//go:noinline
func handle(number int) {
	remember(number)
	scratch = make([]byte, 65536)
}

func serve(listener net.Listener) {
	for number := 0; ; number++ {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		handle(number)
		connection.Close()
	}
}

func main() {
	start()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go serve(listener)
	fmt.Println("ready")
	go func() {
		for {
			if connection, err := net.Dial("tcp", listener.Addr().String()); err == nil {
				connection.Read(make([]byte, 1))
				connection.Close()
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	os.Stdin.Read(make([]byte, 1))
}
