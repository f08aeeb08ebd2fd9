package supervisor

// A state is what a service is; what is wanted of it (service.wanted) is kept
// apart. Every state with a deadline sets it on entry, and every other one
// clears it, so that no timer outlives the state that armed it.
//
//	state      process  deadline       event → next state
//	idle       no       –              start → loading · stop → gone
//	loading    no       –              loaded → spawning · stop → gone · not loaded → gone (first start),
//	                                   backingOff or failed (restart)
//	spawning   no       –              spawned → starting, or ending if no longer wanted ·
//	                                   spawn failed → gone (first start), backingOff or failed (restart),
//	                                   loading if a start came after a stop
//	starting   yes      startTimeout   healthy → running · exit or deadline → gone by way of ending (first
//	                                   start), backingOff or failed (restart) · stop → ending
//	running    yes      next check     check passed → running · check failed → ending, with the
//	                                   back-off as its grace · exit → backingOff or failed · stop → ending
//	ending     yes      SIGKILL        exit → backingOff if wanted, loading if a start waits, else gone or failed ·
//	                                   deadline → killed
//	killed     yes      killTimeout    exit → loading if wanted or a start waits, else gone or failed · deadline → stuck
//	backingOff no       back-off       deadline → loading · stop → gone
//	stuck      yes      –              exit → gone or failed · start, stop → an error
//	failed     no       –              start → loading · stop → gone
//
// A start joins the waiters in every other state, and is answered when the
// service is running, given up or stopped. One that comes after a stop waits
// for the stop, then starts the service anew. Without grace, killed takes the
// place of ending. The tests hold the code to this table.
type state int

const (
	idle state = iota
	loading
	spawning
	starting
	running
	ending
	killed
	backingOff
	stuck
	failed
)
