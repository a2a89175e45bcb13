// The half of a program that says nothing of the heap profile, so that the linker switches it off.
//
// Truth: see allocations.go.
package main

func begin() {}

func tell() {}
