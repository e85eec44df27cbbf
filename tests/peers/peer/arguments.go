package peer

// Arguments of the commands which every peer has.
type (
	Nothing struct{}
	Join    struct {
		Members []string `json:"members"`
	}
	Key struct {
		Key Hex `json:"key_hex"`
	}
)
