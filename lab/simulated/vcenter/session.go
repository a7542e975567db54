package main

import (
	"encoding/json"
	"net/http"
)

const (
	sessionHeader = "vmware-api-session-id"
	restSession   = "/rest/com/vmware/cis/session"
)

func (v *vcenter) login(w http.ResponseWriter, r *http.Request) {
	header := http.Header{"Authorization": r.Header["Authorization"], "Vmware-Use-Header-Authn": {"true"}}
	recorder := v.simulatorRequest(http.MethodPost, restSession, header)
	var body struct{ Value string }
	if recorder.Code != http.StatusOK || json.Unmarshal(recorder.Body.Bytes(), &body) != nil {
		unauthenticated(w, "User name or password is wrong.")
		return
	}
	writeJSON(w, http.StatusCreated, body.Value)
}

func sessionID(r *http.Request) string {
	if id := r.Header.Get(sessionHeader); id != "" {
		return id
	}
	if cookie, err := r.Cookie(sessionHeader); err == nil {
		return cookie.Value
	}
	return ""
}

func (v *vcenter) sessionOf(r *http.Request) (map[string]any, bool) {
	id := sessionID(r)
	if id == "" {
		return nil, false
	}
	recorder := v.simulatorRequest(http.MethodPost, restSession+"?~action=get", http.Header{"Vmware-Api-Session-Id": {id}})
	var body struct{ Value map[string]any }
	if recorder.Code != http.StatusOK || json.Unmarshal(recorder.Body.Bytes(), &body) != nil {
		return nil, false
	}
	return body.Value, true
}

func (v *vcenter) session(w http.ResponseWriter, r *http.Request) {
	session, ok := v.sessionOf(r)
	if !ok {
		unauthenticated(w, "There is no such session.")
		return
	}
	writeJSON(w, http.StatusOK, session)
}

func (v *vcenter) logout(w http.ResponseWriter, r *http.Request) {
	if _, ok := v.sessionOf(r); !ok {
		unauthenticated(w, "There is no such session.")
		return
	}
	v.simulatorRequest(http.MethodDelete, restSession, http.Header{"Vmware-Api-Session-Id": {sessionID(r)}})
	w.WriteHeader(http.StatusNoContent)
}
