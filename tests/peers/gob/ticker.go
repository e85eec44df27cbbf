package main

import (
	"context"
	"math/rand/v2"
	"time"
)

// jittered ticks after the interval and up to `spread` more, anew each time, until the context is done.
func jittered(ctx context.Context, interval, spread time.Duration) <-chan time.Time {
	ticks := make(chan time.Time, 1)
	go func() {
		for {
			timer := time.NewTimer(interval + rand.N(spread+1))
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case now := <-timer.C:
				select {
				case ticks <- now:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return ticks
}
