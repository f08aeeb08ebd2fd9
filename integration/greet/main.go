// Command greet is the README's example of a service.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
)

func main() {
	listen := flag.String("listen", ":0", "listen on this port, as in :9201")
	flag.Parse()
	http.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "good day") })
	log.Fatal(http.ListenAndServe("127.0.0.1"+*listen, nil))
}
