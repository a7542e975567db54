package main

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"time"
)

// faultFile plays the faults that are switched on in a JSON file {name: parameters}.
type faultFile struct{ path string }

type faultParameters struct {
	Rate   float64 `json:"rate"`
	Status int     `json:"status"`
	Path   string  `json:"path"`
	MS     int64   `json:"ms"`
	Class  string  `json:"class"`
}

func (f *faultFile) read(name string) (faultParameters, bool) {
	var faults map[string]faultParameters
	data, err := os.ReadFile(f.path)
	if f.path == "" || err != nil || json.Unmarshal(data, &faults) != nil {
		return faultParameters{}, false
	}
	parameters, on := faults[name]
	return parameters, on
}

// apply delays the request or answers it with an error; it tells whether it has answered.
func (f *faultFile) apply(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path == "/api/session" && r.Method == http.MethodGet {
		return false // how the lab sees that this process lives
	}
	if delay, on := f.read("api-delay"); on {
		select {
		case <-time.After(time.Duration(delay.MS) * time.Millisecond):
		case <-r.Context().Done():
			return true
		}
	}
	fault, on := f.read("api-errors")
	if !on || !strings.Contains(r.URL.Path, fault.Path) || rand.Float64() >= fault.Rate {
		return false
	}
	status := fault.Status
	if status < http.StatusBadRequest {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Retry-After", "1")
	(&apiError{status, "SERVICE_UNAVAILABLE", "This answer is the lab's fault api-errors."}).write(w)
	return true
}

func (f *faultFile) noCapacity(class string) bool {
	fault, on := f.read("no-capacity")
	return on && (fault.Class == "" || fault.Class == class)
}
