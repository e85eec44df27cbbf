package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// cpu is what this process has used of all processors.
func cpu() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// memory is the resident memory in bytes, the largest and the present.
func memory() (largest, now int64) {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0, 0
	}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		var all int64
		fmt.Sscan(string(statm), &all, &now)
	}
	return usage.Maxrss * 1024, now * int64(os.Getpagesize())
}
