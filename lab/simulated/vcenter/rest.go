package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
)

const (
	management   = "/api/vcenter/namespace-management"
	instances    = "/api/vcenter/namespaces/instances"
	maxBodyBytes = 4 << 20
)

// apiError is a failed REST call as vCenter words it.
type apiError struct {
	status  int
	kind    string
	message string
}

func invalidArgument(format string, args ...any) *apiError {
	return badRequest("INVALID_ARGUMENT", format, args...)
}

func badRequest(kind, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, kind, fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) *apiError {
	return &apiError{http.StatusNotFound, "NOT_FOUND", fmt.Sprintf(format, args...)}
}

func internalError(err error) *apiError {
	return &apiError{http.StatusInternalServerError, "ERROR", err.Error()}
}

func (e *apiError) write(w http.ResponseWriter) {
	writeJSON(w, e.status, map[string]any{
		"error_type": e.kind,
		"messages": []map[string]any{{
			"id": "simulation." + strings.ToLower(e.kind), "default_message": e.message, "args": []string{},
		}},
	})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone when this fails
}

// restOperation is a REST operation: what it answers, with status 200, or 204 when that is nil.
type restOperation func(r *http.Request) (any, *apiError)

func decode(r *http.Request, into any) *apiError {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes))
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return invalidArgument("The request body is not what was expected: %v", err)
	}
	return nil
}

// withBody gives the request's body to an operation that answers nothing.
func withBody[T any](r *http.Request, operation func(*T) *apiError) (any, *apiError) {
	body := new(T)
	if problem := decode(r, body); problem != nil {
		return nil, problem
	}
	return nil, operation(body)
}

// setIfPresent gives a field what a request asks for; absent, the field is left alone.
func setIfPresent[T any](field, requested *T) {
	if requested != nil {
		*field = *requested
	}
}

// restHandler serves /api. Sessions are those of the older /rest services, so that one session serves both, as in a vCenter.
func (v *vcenter) restHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/session", v.login)
	mux.HandleFunc("GET /api/session", v.session)
	mux.HandleFunc("DELETE /api/session", v.logout)
	routes := map[string]restOperation{
		"GET " + management + "/supervisors/summaries":               v.supervisorSummaries,
		"GET " + management + "/supervisors/{id}/summary":            v.supervisorSummary,
		"GET " + management + "/supervisors/{id}/topology":           v.supervisorTopology,
		"GET " + management + "/supervisors/{id}/identity/providers": v.identityProviders,
		"GET " + management + "/clusters":                            v.supervisorClusters,
		"GET " + management + "/virtual-machine-classes":             v.listClasses,
		"POST " + management + "/virtual-machine-classes":            v.createClass,
		"GET " + management + "/virtual-machine-classes/{id}":        v.getClass,
		"PATCH " + management + "/virtual-machine-classes/{id}":      v.updateClass,
		"DELETE " + management + "/virtual-machine-classes/{id}":     v.deleteClass,

		"GET " + instances + "/v2":                                v.listNamespaces,
		"POST " + instances + "/v2":                               v.createNamespace,
		"GET " + instances + "/v2/{ns}":                           v.getNamespace,
		"GET " + instances:                                        v.listNamespaces,
		"GET " + instances + "/{ns}":                              v.getNamespace,
		"PATCH " + instances + "/{ns}":                            v.updateNamespace,
		"DELETE " + instances + "/{ns}":                           v.deleteNamespace,
		"GET " + instances + "/{ns}/access/{domain}/{subject}":    v.getAccess,
		"POST " + instances + "/{ns}/access/{domain}/{subject}":   v.createAccess,
		"PUT " + instances + "/{ns}/access/{domain}/{subject}":    v.setAccess,
		"DELETE " + instances + "/{ns}/access/{domain}/{subject}": v.deleteAccess,

		"GET /api/vcenter/storage/policies":         func(*http.Request) (any, *apiError) { return v.storagePolicies(), nil },
		"GET /api/vcenter/cluster":                  v.listClusters,
		"GET /api/vcenter/cluster/{id}":             v.getCluster,
		"GET /api/vcenter/host":                     v.listHosts,
		"GET /api/vcenter/datastore":                v.listDatastores,
		"GET /api/vcenter/vm":                       v.listVMs,
		"GET /api/content/library":                  v.listLibraries,
		"POST /api/content/library":                 v.findLibraries,
		"GET /api/content/library/{id}":             v.getLibrary,
		"GET /api/content/library/item":             v.listItems,
		"POST /api/content/library/item":            v.findItems,
		"GET /api/content/library/item/{item}":      v.getItem,
		"POST /api/vcenter/ovf/library-item/{item}": v.filterItem,

		// vCenter's own sign-in is federated with nobody.
		"GET /api/vcenter/identity/providers": func(*http.Request) (any, *apiError) { return []any{}, nil },
	}
	for pattern, operation := range routes {
		mux.HandleFunc(pattern, v.operation(operation))
	}
	// What is not served here may be among the simulator's own endpoints.
	mux.Handle("/", v.serviceHandler())
	return mux
}

func (v *vcenter) operation(operation restOperation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := v.sessionOf(r); !ok {
			unauthenticated(w, "Log in first: POST /api/session with basic authentication.")
			return
		}
		body, problem := operation(r)
		switch {
		case problem != nil:
			problem.write(w)
		case body == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			writeJSON(w, http.StatusOK, body)
		}
	}
}

func unauthenticated(w http.ResponseWriter, message string) {
	(&apiError{http.StatusUnauthorized, "UNAUTHENTICATED", message}).write(w)
}

// simulatorRequest asks the simulator's REST service in process.
func (v *vcenter) simulatorRequest(method, path string, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, nil)
	request.Header = header
	recorder := httptest.NewRecorder()
	v.serviceHandler().ServeHTTP(recorder, request)
	return recorder
}
