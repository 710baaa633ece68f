package network

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Condition is what a link does to the frames that pass it. The zero value is a
// link that is well.
type Condition struct {
	Down  bool          `json:"down,omitempty"`
	Delay time.Duration `json:"delay,omitempty"` // of every frame, in each direction
	Loss  float64       `json:"loss,omitempty"`  // the share of frames that are lost, from 0 to 1
}

// Well reports whether the link leaves frames alone.
func (c Condition) Well() bool { return c == Condition{} }

func (c Condition) String() string {
	var words []string
	if c.Down {
		words = append(words, "down")
	}
	if c.Delay > 0 {
		words = append(words, "delay "+c.Delay.String())
	}
	if c.Loss > 0 {
		words = append(words, "loss "+strconv.FormatFloat(100*c.Loss, 'f', -1, 64)+"%")
	}
	if len(words) == 0 {
		return "up"
	}
	return strings.Join(words, " ")
}

// maxDelay keeps what lies in the queues of slow links small.
const maxDelay = time.Minute

// Change returns the condition after words as they are typed: "down", "up", "delay
// 50ms", "loss 5%". Up ends all; of a delay and a loss each stays when the other is
// set, and "delay 0" or "loss 0" ends it.
func (c Condition) Change(words ...string) (Condition, error) {
	for i := 0; i < len(words); i++ {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		switch words[i] {
		case "up":
			c = Condition{}
		case "down":
			c.Down = true
		case "delay":
			if value == "0" {
				value = "0s"
			}
			d, err := time.ParseDuration(value)
			if err != nil || d < 0 || d > maxDelay {
				return c, fmt.Errorf("delay %q: a time from 0 to %s, such as 50ms", value, maxDelay)
			}
			c.Delay = d
			i++
		case "loss":
			p, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
			if err != nil || !(p >= 0 && p <= 100) {
				return c, fmt.Errorf("loss %q: a percentage from 0%% to 100%%, such as 5%%", value)
			}
			c.Loss = p / 100
			i++
		default:
			return c, fmt.Errorf("%q is not the state of a link, such as down, up, delay 50ms or loss 5%%", words[i])
		}
	}
	return c, nil
}

// plus returns the condition of two links in a row.
func (c Condition) plus(d Condition) Condition {
	return Condition{Down: c.Down || d.Down, Delay: c.Delay + d.Delay, Loss: 1 - (1-c.Loss)*(1-d.Loss)}
}

// pair is the two ends of a link between stations in alphabetical order, or a station
// and "": its cable.
type pair [2]string

func pairOf(a, b string) pair {
	if a < b && a != "" || b == "" {
		return pair{a, b}
	}
	return pair{b, a}
}

// Links are the conditions of all links that are not well. They can be changed while
// frames pass. Which frames are lost follows from the seed and the number of the frame
// on its way from one station to another, not from the time.
type Links struct {
	seed    uint64
	current atomic.Pointer[map[pair]Condition] // never changed, only replaced

	mu   sync.Mutex
	dice map[[2]string]*rand.Rand // for each direction
}

// NewLinks returns links that are all well.
func NewLinks(seed uint64) *Links {
	l := &Links{seed: seed, dice: map[[2]string]*rand.Rand{}}
	l.current.Store(&map[pair]Condition{})
	return l
}

// Set sets the condition of the link between two stations, or of a station's cable
// where b is empty.
func (l *Links) Set(a, b string, c Condition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.All()
	if c.Well() {
		delete(next, pairOf(a, b))
	} else {
		next[pairOf(a, b)] = c
	}
	l.current.Store(&next)
}

// Get returns the condition of a link, as it was set.
func (l *Links) Get(a, b string) Condition { return (*l.current.Load())[pairOf(a, b)] }

// All returns the links that are not well: two stations, or a station and "".
func (l *Links) All() map[pair]Condition { return maps.Clone(*l.current.Load()) }

// pass says what becomes of a frame on its way from one station to another.
func (l *Links) pass(from, to string) (delay time.Duration, passes bool) {
	links := *l.current.Load()
	if len(links) == 0 {
		return 0, true
	}
	c := links[pair{from, ""}].plus(links[pair{to, ""}])
	if from != "" && to != "" {
		c = c.plus(links[pairOf(from, to)])
	}
	switch {
	case c.Down:
		return 0, false
	case c.Loss > 0 && l.roll(from, to) < c.Loss:
		return 0, false
	}
	return c.Delay, true
}

// roll returns the next number from 0 to 1 of a direction.
func (l *Links) roll(from, to string) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.dice[[2]string{from, to}]
	if r == nil {
		h := fnv.New64a()
		fmt.Fprintf(h, "%q %q", from, to)
		r = rand.New(rand.NewPCG(l.seed, h.Sum64()))
		l.dice[[2]string{from, to}] = r
	}
	return r.Float64()
}
