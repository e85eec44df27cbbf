// Package differential does schedules with clusters of NetworkDB in virtual time, which only a test can have.
package differential

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/containerd/log"
)

// TestSchedules reads schedules from stdin and writes outcomes to stdout, one JSON object a line, in any order.
func TestSchedules(t *testing.T) {
	if err := log.SetLevel("panic"); err != nil {
		t.Fatal(err)
	}
	debug.SetGCPercent(800) // most of the time would go to collecting a small heap
	out := json.NewEncoder(os.Stdout)
	os.Stdout = os.Stderr // the words of the testing package
	var mu sync.Mutex
	for _, s := range read(t, os.Stdin) {
		t.Run(strconv.FormatUint(s.Seed, 10), func(t *testing.T) {
			t.Parallel()
			var o outcome
			synctest.Test(t, func(*testing.T) { o = run(s) })
			mu.Lock()
			defer mu.Unlock()
			if err := out.Encode(o); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func read(t *testing.T, from io.Reader) []schedule {
	var schedules []schedule
	in := json.NewDecoder(bufio.NewReader(from))
	for {
		var s schedule
		err := in.Decode(&s)
		if errors.Is(err, io.EOF) {
			return schedules
		}
		if err != nil {
			t.Fatal(err)
		}
		schedules = append(schedules, s)
	}
}
