package main

import (
	"net/http"
	"testing"
)

func TestAccessToANamespaceIsSetOneByOne(t *testing.T) {
	l := newLab(t)
	l.namespace("team")
	path := instances + "/team/access/lab.test/mlops-engineers?type=GROUP"
	role := func(name string) map[string]string { return map[string]string{"role": name} }
	l.want(http.StatusNotFound)(l.rest(http.MethodGet, path, nil))
	l.want(http.StatusNoContent)(l.rest(http.MethodPost, path, role("VIEW")))
	l.running("team")
	l.want(http.StatusBadRequest, "ALREADY_EXISTS")(l.rest(http.MethodPost, path, role("VIEW")))
	l.want(http.StatusNoContent)(l.rest(http.MethodPut, path, role("EDIT")))
	l.running("team")
	l.want(http.StatusOK, "EDIT")(l.rest(http.MethodGet, path, nil))
	l.want(http.StatusNoContent)(l.rest(http.MethodDelete, path, nil))
	l.want(http.StatusNotFound)(l.rest(http.MethodGet, path, nil))
}

func TestAnAccessEntryKeepsItsIdentityProvider(t *testing.T) {
	l := newLab(t)
	l.namespace("team")
	entry := map[string]string{
		"subject_type": "USER", "subject": "ada", "domain": "acme.example", "role": "EDIT", "identity_provider": "00000000-0000-4000-8000-000000000001",
	}
	change := func() (int, string) {
		return l.rest(http.MethodPatch, instances+"/team", map[string]any{"access_list": []any{entry}})
	}
	l.want(http.StatusNoContent)(change())
	l.want(http.StatusOK, `"identity_provider":"00000000-0000-4000-8000-000000000001"`)(l.rest(http.MethodGet, instances+"/v2/team", nil))
	l.running("team")
	entry["identity_provider"] = "none"
	l.want(http.StatusBadRequest, "identity provider")(change())
}
