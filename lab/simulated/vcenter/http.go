package main

import (
	"bytes"
	"log"
	"net/http"
	"strconv"
	"strings"
)

// handler is the whole server: faults, then the lab's own API, /api, and the simulator, with everything stored before it is answered.
func (v *vcenter) handler(public string) http.Handler {
	lab, rest := v.labHandler(), v.restHandler()
	private := []byte("http://" + v.server.Listener.Addr().String())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/lab/") {
			if r.URL.Path == "/lab/v1/wcp" && r.Method == http.MethodGet {
				lab.ServeHTTP(w, r) // a long poll stores by itself
				return
			}
			v.serveDurably(w, r, lab, private, public)
			return
		}
		if v.faults.apply(w, r) {
			return
		}
		for _, prefix := range []string{"/folder/", "/nfc/", "/guestFile"} {
			if strings.HasPrefix(r.URL.Path, prefix) {
				v.serviceHandler().ServeHTTP(w, r) // files of any size
				return
			}
		}
		if strings.HasPrefix(r.URL.Path, "/rest/") && r.Method != http.MethodGet {
			defer v.vapi.markDirty()
		}
		v.serveDurably(w, r, rest, private, public)
	})
}

// serveDurably answers after everything that the request, and all before it, changed is on disk. Addresses of the inner server
// are replaced by the public one.
func (v *vcenter) serveDurably(w http.ResponseWriter, r *http.Request, next http.Handler, private []byte, public string) {
	buffered := &bufferedResponse{header: w.Header(), status: http.StatusOK}
	v.serveDeployment(buffered, r, next)
	if strings.HasPrefix(r.URL.Path, "/rest/") && r.Method != http.MethodGet {
		v.vapi.markDirty()
	}
	if err := v.flush(); err != nil {
		log.Printf("not answered, since it could not be stored: %v", err)
		internalError(err).write(w)
		return
	}
	body := bytes.ReplaceAll(buffered.body.Bytes(), private, []byte(public))
	if strings.HasPrefix(r.URL.Path, "/rest/com/vmware/cis/tagging/category/") {
		// vCenter takes the types of a category with this prefix, and shows them without.
		body = bytes.ReplaceAll(body, []byte(`"urn:vim25:`), []byte(`"`))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(buffered.status)
	_, _ = w.Write(body) // the client is gone when this fails
}

// bufferedResponse keeps a response until it may be sent.
type bufferedResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *bufferedResponse) Header() http.Header { return h.header }

func (h *bufferedResponse) WriteHeader(status int) { h.status = status }

func (h *bufferedResponse) Write(data []byte) (int, error) { return h.body.Write(data) }
