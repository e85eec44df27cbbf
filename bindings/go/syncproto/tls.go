package syncproto

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
	"github.com/networkdb/networkdb/bindings/go/internal/settings"
)

// TLS is mutual: both sides show a certificate. All of it is needed, except that one of the two names suffices.
type TLS struct {
	// Key and Cert are the PEM files of the private key and of the certificate, with those between it and the CA.
	Key, Cert string
	// CA is the PEM file of the CAs that vouch for the other side.
	CA string
	// PeerCN is the common name in the other side's certificate.
	PeerCN string
	// PeerURISAN is a URI among the alternative names of the other side's certificate.
	PeerURISAN string
	// HandshakeTimeout is how long a handshake may take; without it 10 s.
	HandshakeTimeout time.Duration
}

// MarshalJSON is the form of the library.
func (t *TLS) MarshalJSON() ([]byte, error) {
	return json.Marshal(op{
		"key":                  settings.Text(t.Key),
		"cert":                 settings.Text(t.Cert),
		"ca":                   settings.Text(t.CA),
		"peer_cn":              settings.Text(t.PeerCN),
		"peer_uri_san":         settings.Text(t.PeerURISAN),
		"handshake_timeout_ms": settings.Millis(t.HandshakeTimeout),
	})
}

// errTLS keeps anybody from taking a plain connection for a secured one.
var errTLS = fmt.Errorf("syncproto: %w: TLS is the library's own host's: set Hosted, or use crypto/tls as Listener or Dial", ndb.BadConfig)
