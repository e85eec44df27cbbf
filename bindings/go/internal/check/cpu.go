package check

import (
	"syscall"
	"testing"
)

// CPU reports the processor time of an operation, of all threads, and how many a second of it makes, beside the time that passed: on
// a machine that is shared it says more. Call it when the benchmark begins, and what it gives at the end.
func CPU(b *testing.B) (report func()) {
	before := used()
	return func() {
		each := float64(used()-before) / float64(b.N)
		b.ReportMetric(each, "cpu-ns/op")
		b.ReportMetric(1e9/each, "op/cpu-s")
	}
}

func used() int64 {
	var usage syscall.Rusage
	// It cannot fail for the process itself.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}
