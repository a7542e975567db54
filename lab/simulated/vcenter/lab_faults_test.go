package main

import (
	"net/http"
	"testing"
)

func TestFaultsArePlayedWhileTheyAreOn(t *testing.T) {
	l := newLab(t)
	l.namespace("team", "best-effort-small")
	l.fault(`{"api-errors": {"rate": 1.0, "status": 429, "path": "/vcenter/host"}}`)
	l.want(http.StatusTooManyRequests, "error_type", "api-errors")(l.rest(http.MethodGet, "/api/vcenter/host", nil))
	l.want(http.StatusOK)(l.rest(http.MethodGet, "/api/vcenter/datastore", nil))
	l.fault(`{"no-capacity": {"class": "best-effort-small"}}`)
	l.want(http.StatusOK)(l.rest(http.MethodGet, "/api/vcenter/host", nil))
	l.want(http.StatusConflict, "InsufficientCapacity", "no-capacity")(l.vm("one", "best-effort-small"))
	l.fault(`{}`)
	l.want(http.StatusCreated)(l.vm("one", "best-effort-small"))
}
