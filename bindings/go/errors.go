package networkdb

import "github.com/networkdb/networkdb/bindings/go/internal/ndb"

// Status is an answer of the library that is an error. Its number is that of the C header, and never changes its meaning.
type Status = ndb.Status

// Error is a [Status] with the reason in words: it has the fields Status and Reason. [errors.Is] finds the status, [errors.As] the
// error.
type Error = ndb.Error

// What a call or a request may be refused for. Unless an error says otherwise, nothing has changed.
const (
	// ErrInvalid is an argument that cannot be.
	ErrInvalid = ndb.Invalid
	// ErrConfig is a setting that cannot be read or cannot work.
	ErrConfig = ndb.BadConfig
	// ErrUnsupported is what this build of the library cannot do.
	ErrUnsupported = ndb.Unsupported
	// ErrClosed is a call on a node that is closed. It is a net.ErrClosed too.
	ErrClosed = ndb.Closed
	// ErrPoisoned is a call on a node that a fault of the library ended. It can only be closed.
	ErrPoisoned = ndb.Poisoned
	// ErrSystem is a refusal of the operating system.
	ErrSystem = ndb.System
	// ErrRequest is a request with wrong fields.
	ErrRequest = ndb.Request
	// ErrExists is a row that is there already.
	ErrExists = ndb.Exists
	// ErrMissing is a row, network, member, client or syncer type that is not there.
	ErrMissing = ndb.Missing
	// ErrDeleted is a row that has been deleted.
	ErrDeleted = ndb.Deleted
	// ErrHidden is a row whose owner has failed; it is back when the owner is.
	ErrHidden = ndb.Hidden
	// ErrTooLarge is more than can be sent.
	ErrTooLarge = ndb.TooLarge
	// ErrAlreadyJoined is a network that this node is in.
	ErrAlreadyJoined = ndb.AlreadyJoined
	// ErrNotJoined is a network that this node is not in.
	ErrNotJoined = ndb.NotJoined
	// ErrUnreachable is a join that reached nobody.
	ErrUnreachable = ndb.Unreachable
	// ErrUnannounced is what not all others could be told in time. It is done all the same.
	ErrUnannounced = ndb.Unannounced
	// ErrKey is a key of a wrong length, one that is not installed or in use, or any, of a node that runs without.
	ErrKey = ndb.Key
	// ErrUndelivered is a message that the other side did not take over.
	ErrUndelivered = ndb.Undelivered
	// ErrMalformed are bytes that are not of this format.
	ErrMalformed = ndb.Malformed
)

// Version is that of the loaded library.
func Version() string {
	return ndb.Version()
}
