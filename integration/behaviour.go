package integration

// Behaviour is what the fake service does. The zero value is a service that is healthy at once. A
// number is of milliseconds, except for ExitAtOnce.
type Behaviour struct {
	ListenAfter      int    `json:",omitempty"` // before it listens
	ListenNever      bool   `json:",omitempty"` // does not listen as long as this is set
	ExitAtOnce       *int   `json:",omitempty"` // exits with this status before it listens
	ExitIfTaken      bool   `json:",omitempty"` // exits with 1 if its port is taken; else it stays, without a listener
	CrashAfter       int    `json:",omitempty"` // exits with 3 this long after its first answer
	DropAfter        int    `json:",omitempty"` // closes its listener this long after its first answer
	StopAfter        int    `json:",omitempty"` // sends itself SIGSTOP this long after its first answer
	Status           string `json:",omitempty"` // of its answers; empty is "200 OK"
	Raw              string `json:",omitempty"` // written instead of an answer
	Hang             bool   `json:",omitempty"` // accepts connections and does not answer
	Reset            bool   `json:",omitempty"` // resets connections
	Trickle          bool   `json:",omitempty"` // one byte of the answer a second
	Endless          bool   `json:",omitempty"` // an answer without end
	AnswerAfter      int    `json:",omitempty"` // before it answers
	Pieces           bool   `json:",omitempty"` // pieces of an answer, 50 ms apart; a broken pipe ends it
	IgnoreTerm       bool   `json:",omitempty"` // notes "term" and goes on
	FlushOnTerm      int    `json:",omitempty"` // from SIGTERM to its end, before which it notes "flushed"
	Grandchild       bool   `json:",omitempty"` // has a child that sleeps
	GrandchildServes bool   `json:",omitempty"` // a child listens instead
	ChildLeaves      bool   `json:",omitempty"` // that child has a session of its own
	Background       bool   `json:",omitempty"` // has a child that sleeps, and exits with 0
	CloseStderr      bool   `json:",omitempty"`
	LeaveGroup       bool   `json:",omitempty"` // joins the process group of a child that sleeps
	Escapes          bool   `json:",omitempty"` // has a child that sleeps in a session of its own
	ChildFlushes     int    `json:",omitempty"` // has a child for which this is FlushOnTerm
	Bomb             bool   `json:",omitempty"` // makes processes as long as this is set, and notes "full" when it cannot
	Undumpable       bool   `json:",omitempty"` // on Linux, only root may look into it
	MainExits        bool   `json:",omitempty"` // on Linux, its main thread ends and another one serves
	Say              string `json:",omitempty"` // a line on standard output at the start
}
