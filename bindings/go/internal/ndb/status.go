package ndb

// Status says how a call or a request ended: an ndb_status. Each is an error of its own, to be asked for with
// errors.Is. Numbers never change their meaning.
type Status int32

// The statuses; see the header for what each means.
const (
	OK            Status = 0
	Invalid       Status = 1
	BadConfig     Status = 2
	Unsupported   Status = 3
	Busy          Status = 4
	Closed        Status = 5
	Poisoned      Status = 6
	Empty         Status = 7
	TooSmall      Status = 8
	Stream        Status = 9
	System        Status = 10
	Request       Status = 11
	Exists        Status = 20
	Missing       Status = 21
	Deleted       Status = 22
	Hidden        Status = 23
	TooLarge      Status = 24
	AlreadyJoined Status = 25
	NotJoined     Status = 26
	Unreachable   Status = 27
	Unannounced   Status = 28
	Key           Status = 29
	Undelivered   Status = 30
	Malformed     Status = 31
)

// Error is the library's own words for the status.
func (s Status) Error() string {
	return "networkdb: " + statusText(s)
}

// Is makes what is closed equal to net.ErrClosed too.
func (s Status) Is(target error) bool {
	return s == Closed && target == errNetClosed
}

// Error is a status with the reason in words.
type Error struct {
	Status Status
	// Reason is for people.
	Reason string
}

// Failed makes an error of a status and a reason; without one, the status itself, and nil of OK.
func Failed(status Status, reason string) error {
	if status == OK {
		return nil
	}
	if reason == "" {
		return status
	}
	return &Error{Status: status, Reason: reason}
}

func (e *Error) Error() string {
	return e.Status.Error() + ": " + e.Reason
}

// Unwrap is the status.
func (e *Error) Unwrap() error {
	return e.Status
}
