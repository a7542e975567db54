package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestALongPollAnswersAtTheNextChange(t *testing.T) {
	l := newLab(t)
	var state struct{ Revision int64 }
	_, text := l.operator(http.MethodGet, "/wcp", nil)
	l.check(json.Unmarshal([]byte(text), &state))
	answer := make(chan string)
	go func() {
		_, body := l.operator(http.MethodGet, fmt.Sprintf("/wcp?since=%d&wait=50", state.Revision), nil)
		answer <- body
	}()
	l.namespace("team")
	if body := <-answer; !strings.Contains(body, `"name":"team"`) {
		t.Errorf("answer: %s", body)
	}
	_, body := l.operator(http.MethodGet, "/wcp?since=1000000&wait=50", nil)
	if !strings.Contains(body, `"name":"team"`) {
		t.Errorf("a revision of another lab was waited for: %s", body)
	}
}
