package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/vmware/govmomi"
)

func TestAWrongPasswordIsRefused(t *testing.T) {
	l := newLab(t)
	request, err := http.NewRequestWithContext(l.context(), http.MethodPost, l.server.URL+"/api/session", nil)
	l.check(err)
	request.SetBasicAuth(testUser, "wrong")
	response, err := l.server.Client().Do(request)
	l.check(err)
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", response.StatusCode)
	}
	target, err := url.Parse(l.server.URL + "/sdk")
	l.check(err)
	target.User = url.UserPassword(testUser, "wrong")
	_, err = govmomi.NewClient(l.context(), target, true)
	l.refused(err, "Login failure")
	l.want(http.StatusUnauthorized, "UNAUTHENTICATED")(l.request(http.MethodGet, "/api/vcenter/host", nil, sessionHeader, "nonsense"))
	l.want(http.StatusUnauthorized)(l.request(http.MethodGet, "/lab/v1/vms", nil, "X-Lab-Token", "nonsense"))
}

func TestThePasswordChangesWhileItServesAndSessionsStay(t *testing.T) {
	l := newLab(t)
	status := func(password string) int {
		request, err := http.NewRequestWithContext(l.context(), http.MethodPost, l.server.URL+"/api/session", nil)
		l.check(err)
		request.SetBasicAuth(testUser, password)
		response, err := l.server.Client().Do(request)
		l.check(err)
		response.Body.Close()
		return response.StatusCode
	}
	l.v.options.accounts = filepath.Join(t.TempDir(), "passwords.json")
	l.check(os.WriteFile(l.v.options.accounts, []byte(fmt.Sprintf(`{"vcenter": {%q: "another"}}`, testUser)), 0o600))
	if got := status(testPassword); got != http.StatusUnauthorized {
		t.Errorf("the old password: status %d", got)
	}
	if got := status("another"); got != http.StatusCreated {
		t.Errorf("the new password: status %d", got)
	}
	l.want(http.StatusOK, testUser)(l.rest(http.MethodGet, "/api/session", nil))
}

func TestASessionEnds(t *testing.T) {
	l := newLab(t)
	l.want(http.StatusOK, testUser)(l.rest(http.MethodGet, "/api/session", nil))
	l.want(http.StatusNoContent)(l.rest(http.MethodDelete, "/api/session", nil))
	l.want(http.StatusUnauthorized)(l.rest(http.MethodGet, "/api/session", nil))
}
