package syncproto

import (
	"fmt"
	"testing"

	"github.com/networkdb/networkdb/bindings/go/internal/check"
)

// The codec alone; one operation is one of 1,000 updates with values of 500 bytes.

const count = 1000

func some() []Update {
	updates := make([]Update, count)
	for i := range updates {
		updates[i] = Update{Key: fmt.Sprintf("/calico/k/%d", i), Value: make([]byte, 500), Revision: "7", Type: UpdateNew}
	}
	return updates
}

func BenchmarkEncode(b *testing.B) {
	updates := some()
	defer check.CPU(b)()
	b.ResetTimer()
	for done := 0; done < b.N; done += count {
		_, err := Encode(updates, InSync)
		check.OK(b, err)
	}
}

func BenchmarkDecode(b *testing.B) {
	stream, err := Encode(some(), InSync)
	check.OK(b, err)
	defer check.CPU(b)()
	b.ResetTimer()
	for done := 0; done < b.N; done += count {
		decoder, err := NewDecoder()
		check.OK(b, err)
		messages, err := decoder.Feed(stream)
		if err != nil || len(messages) != 2 || len(messages[0].Updates) != count {
			b.Fatal(len(messages), err)
		}
		check.OK(b, decoder.Close())
	}
}
