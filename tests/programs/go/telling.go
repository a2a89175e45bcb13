// The half of allocations.go that prints the heap profile as the runtime itself sees it.
//
// Truth: a line `record ALLOCATED FREED SIZE function:line;...` for each record, leaf first.
package main

import (
	"fmt"
	"runtime"
	"strings"
)

func begin() { runtime.MemProfileRate = 2048 }

func tell() {
	records := make([]runtime.MemProfileRecord, 10000)
	count, _ := runtime.MemProfile(records, true)
	for _, record := range records[:count] {
		if record.AllocObjects == 0 {
			continue
		}
		size := record.AllocBytes / record.AllocObjects
		fmt.Println("record", record.AllocObjects, record.FreeObjects, size, stack(record.Stack()))
	}
}

func stack(addresses []uintptr) string {
	frames := runtime.CallersFrames(addresses)
	var lines []string
	for {
		frame, more := frames.Next()
		lines = append(lines, fmt.Sprintf("%s:%d", frame.Function, frame.Line))
		if !more {
			return strings.Join(lines, ";")
		}
	}
}
