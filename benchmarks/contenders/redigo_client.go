// redigo, subscribed as its documentation shows it, Receive() in a loop; the same job as tally.py.
//
// Go's own encoding/json decodes the whole text into a map, as Python and Node decode into theirs, and each line goes
// out in one unbuffered write, for tally.py's reasons. Not go-redis: what Debian 12 has of it is version 5, of 2017.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/gomodule/redigo/redis"
)

const (
	pattern     = "tickstock:*"
	stopChannel = "tickstock:bench:stop"
)

type key struct{ channel, event string }

// Tally counts by channel and event and appends to the archive.
type Tally struct {
	counts     map[key]int
	lineStarts map[string][]byte
	line       []byte
	file       *os.File
}

func newTally(archive string) *Tally {
	file, err := os.OpenFile(archive, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		log.Fatal(err)
	}
	return &Tally{counts: map[key]int{}, lineStarts: map[string][]byte{}, file: file}
}

func eventName(event map[string]any) string {
	for _, field := range [...]string{"event", "event_type", "alert_type"} {
		if name, _ := event[field].(string); name != "" {
			return name
		}
	}
	return ""
}

func (tally *Tally) lineStart(channel string) []byte {
	start, known := tally.lineStarts[channel]
	if !known {
		quoted, err := json.Marshal(channel)
		if err != nil {
			log.Fatal(err)
		}
		start = []byte(fmt.Sprintf(`{"channel":%s,"message":`, quoted))
		tally.lineStarts[channel] = start
	}
	return start
}

// Does the whole job for one message; what is not JSON is passed over.
func (tally *Tally) take(channel string, text []byte) {
	var event map[string]any
	if json.Unmarshal(text, &event) != nil {
		return
	}
	tally.counts[key{channel, eventName(event)}]++
	tally.line = append(append(append(tally.line[:0], tally.lineStart(channel)...), text...), "}\n"...)
	if _, err := tally.file.Write(tally.line); err != nil {
		log.Fatal(err)
	}
}

func (tally *Tally) total() int {
	total := 0
	for _, count := range tally.counts {
		total += count
	}
	return total
}

func ready() { fmt.Println("READY") }

// Tells the harness how many were counted, and stays until it has read what it wants to know of the process.
func done(counted int) {
	fmt.Printf("DONE %d\n", counted)
	fmt.Scanln()
}

func main() {
	connection, err := redis.Dial("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	tally := newTally(os.Args[2])
	subscription := redis.PubSubConn{Conn: connection}
	if err := subscription.PSubscribe(pattern); err != nil {
		log.Fatal(err)
	}
	for {
		switch received := subscription.Receive().(type) {
		case error:
			log.Fatal(received)
		case redis.Subscription:
			ready()
		case redis.Message:
			if received.Channel == stopChannel {
				done(tally.total())
				return
			}
			tally.take(received.Channel, received.Data)
		}
	}
}
