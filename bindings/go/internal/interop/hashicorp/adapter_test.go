// Package hashicorp puts hashicorp/memberlist's own transport under a node, beside a member of hashicorp's. It is a module of its own,
// so that nobody else depends on theirs.
package hashicorp

import (
	"io"
	"log"
	"testing"

	peer "github.com/hashicorp/memberlist"

	"github.com/networkdb/networkdb/bindings/go/internal/check"
	"github.com/networkdb/networkdb/bindings/go/memberlist"
)

// heard is hashicorp's delegate that keeps messages.
type heard chan string

func (h heard) NotifyMsg(message []byte)      { h <- string(message) }
func (heard) NodeMeta(int) []byte             { return nil }
func (heard) GetBroadcasts(_, _ int) [][]byte { return nil }
func (heard) LocalState(bool) []byte          { return nil }
func (heard) MergeRemoteState([]byte, bool)   {}

func TestTheirTransportCarriesAMemberWithoutAnEdit(t *testing.T) {
	check.Leaks(t)
	ctx := check.Context(t)
	quiet := log.New(io.Discard, "", 0)
	config := peer.DefaultLocalConfig()
	config.Name, config.BindAddr, config.BindPort, config.Logger = "theirs", "127.0.0.1", 0, quiet
	messages := make(heard, 10)
	config.Delegate = messages
	theirs, err := peer.Create(config)
	check.OK(t, err)
	defer theirs.Shutdown()

	transport, err := peer.NewNetTransport(&peer.NetTransportConfig{BindAddrs: []string{"127.0.0.1"}, Logger: quiet})
	check.OK(t, err)
	sockets, err := memberlist.Adapt(transport)
	check.OK(t, err)
	ours, err := memberlist.Start(ctx, memberlist.Config{Name: "ours", Transport: sockets, Profile: memberlist.Local})
	check.OK(t, err)
	defer ours.Close()
	_, err = ours.Join(ctx, theirs.LocalNode().Address())
	check.OK(t, err)
	check.OK(t, ours.SendReliable(ctx, []byte("hello"), "theirs"))
	if message := <-messages; message != "hello" {
		t.Fatal(message)
	}
	// They may take our state a little later than we take theirs.
	check.Eventually(t, "both to be members", func() bool { return theirs.NumMembers() == 2 })
	for _, node := range theirs.Members() {
		check.OK(t, theirs.SendBestEffort(node, []byte("hi")))
	}
	for event, err := range ours.Events(ctx) {
		check.OK(t, err)
		if event.Kind == memberlist.Message && string(event.Data) == "hi" {
			break
		}
	}
}
