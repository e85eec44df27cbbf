package differential

// What is done to a cluster, and what came of it. tests/src/differential says the same in Rust.
type (
	schedule struct {
		Seed     uint64   `json:"seed"`
		LastsMs  []int    `json:"lasts_ms"`
		Networks []string `json:"networks"`
		Tables   []string `json:"tables"`
		Rounds   [][]step `json:"rounds"`
	}

	// step is one call of a user of the node at a place.
	step struct {
		Op      string `json:"op"`
		Place   int    `json:"place"`
		Name    string `json:"name"`
		Seeds   []int  `json:"seeds"`
		Network string `json:"network"`
		Table   string `json:"table"`
		Key     string `json:"key"`
		Value   string `json:"value"`
	}

	outcome struct {
		Seed   uint64  `json:"seed"`
		Rounds []round `json:"rounds"`
	}

	// round holds the result of each step, an error's text or what was read, and what each node shows afterwards.
	round struct {
		Results []string        `json:"results"`
		Nodes   map[string]view `json:"nodes"`
	}

	view struct {
		Members []string            `json:"members"`
		Peers   map[string][]string `json:"peers"`
		Rows    map[string]row      `json:"rows"`
		Changes []change            `json:"changes"`
	}

	row struct {
		Value string `json:"value"`
		Owner string `json:"owner"`
	}

	// change is an event of a watch; what is not there is null.
	change struct {
		Row   string  `json:"row"`
		Value *string `json:"value"`
		Prev  *string `json:"prev"`
	}
)
