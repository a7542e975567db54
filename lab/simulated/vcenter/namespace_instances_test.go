package main

import (
	"net/http"
	"strings"
	"testing"
)

func TestANamespaceLivesUntilTheSupervisorHasRemovedIt(t *testing.T) {
	l := newLab(t)
	spec := map[string]any{
		"namespace": "team", "supervisor": l.v.site.Supervisor.ID, "description": "first",
		"access_list":     []any{map[string]string{"subject_type": "GROUP", "subject": "data-scientists", "domain": "lab.test", "role": "EDIT"}},
		"storage_specs":   []any{map[string]any{"policy": l.v.site.StoragePolicies[0].ID, "limit": 1048576}},
		"vm_service_spec": map[string]any{"vm_classes": []string{"guaranteed-large"}},
	}
	create := func() (int, string) { return l.rest(http.MethodPost, instances+"/v2", spec) }
	get := func() (int, string) { return l.rest(http.MethodGet, instances+"/v2/team", nil) }
	l.want(http.StatusNoContent)(create())
	l.want(http.StatusBadRequest, "ALREADY_EXISTS")(create())
	l.want(http.StatusOK, `"config_status":"CONFIGURING"`, `"limit":1048576`, `"role":"EDIT"`)(get())
	l.want(http.StatusOK)(l.operator(http.MethodPost, "/wcp/namespaces/team", map[string]string{"config_status": "RUNNING"}))
	l.want(http.StatusOK, `"config_status":"RUNNING"`)(get())
	l.want(http.StatusNoContent)(l.rest(http.MethodPatch, instances+"/team", map[string]string{"description": "second"}))
	l.want(http.StatusOK, `"config_status":"CONFIGURING"`, "second", "guaranteed-large")(get())
	l.want(http.StatusBadRequest, "RESOURCE_IN_USE", "team")(l.rest(http.MethodDelete, management+"/virtual-machine-classes/guaranteed-large", nil))
	l.want(http.StatusBadRequest)(l.operator(http.MethodPost, "/wcp/namespaces/team", map[string]bool{"gone": true}))
	for _, method := range []string{http.MethodPatch, http.MethodDelete} {
		l.want(http.StatusBadRequest, "NOT_ALLOWED_IN_CURRENT_STATE", "being configured")(
			l.rest(method, instances+"/team", map[string]string{"description": "x"}))
	}
	l.running("team")
	l.want(http.StatusNoContent)(l.rest(http.MethodDelete, instances+"/team", nil))
	l.want(http.StatusOK, `"config_status":"REMOVING"`)(get())
	l.want(http.StatusBadRequest, "NOT_ALLOWED_IN_CURRENT_STATE")(l.rest(http.MethodPatch, instances+"/team", map[string]string{"description": "x"}))
	l.want(http.StatusNoContent)(l.rest(http.MethodDelete, management+"/virtual-machine-classes/guaranteed-large", nil))
	l.want(http.StatusOK)(l.operator(http.MethodPost, "/wcp/namespaces/team", map[string]bool{"gone": true}))
	l.want(http.StatusNotFound, "NOT_FOUND")(get())
}

func TestANamespaceNamesOnlyWhatExists(t *testing.T) {
	l := newLab(t)
	for name, test := range map[string]struct {
		change map[string]any
		says   string
	}{
		"label":      {map[string]any{"namespace": "Team_A"}, "DNS label"},
		"supervisor": {map[string]any{"supervisor": "nowhere"}, "nowhere"},
		"policy":     {map[string]any{"storage_specs": []any{map[string]string{"policy": "none"}}}, "storage policy"},
		"class":      {map[string]any{"vm_service_spec": map[string]any{"vm_classes": []string{"none"}}}, "VM class"},
		"library":    {map[string]any{"vm_service_spec": map[string]any{"content_libraries": []string{"none"}}}, "content library"},
		"group": {map[string]any{"access_list": []any{map[string]string{
			"subject_type": "GROUP", "subject": "nobody", "domain": "lab.test", "role": "VIEW",
		}}}, "mlops-engineers"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := map[string]any{"namespace": "team", "supervisor": l.v.site.Supervisor.ID}
			for key, value := range test.change {
				spec[key] = value
			}
			status, body := l.rest(http.MethodPost, instances+"/v2", spec)
			if status < http.StatusBadRequest || !strings.Contains(body, test.says) {
				t.Errorf("status %d: %s", status, body)
			}
		})
	}
}

func TestLibrariesOfBothServicesAreOneSet(t *testing.T) {
	l := newLab(t)
	libraries, err := l.v.vapi.libraries()
	l.check(err)
	first, second := libraries[0].ID, libraries[1].ID
	l.namespace("team")
	change := func(body map[string]any) (int, string) { return l.rest(http.MethodPatch, instances+"/team", body) }
	service := func(ids ...string) map[string]any { return map[string]any{"content_libraries": ids} }
	writable := []any{map[string]any{"content_library": first, "writable": true}}
	l.want(http.StatusNoContent)(change(map[string]any{"content_libraries": writable}))
	l.want(http.StatusOK, `"vm_service_spec":{"vm_classes":[],"content_libraries":["`+first+`"]}`)(l.rest(http.MethodGet, instances+"/v2/team", nil))
	l.running("team")
	l.want(http.StatusBadRequest, "INVALID_ARGUMENT", "writable")(change(map[string]any{"vm_service_spec": service(second)}))
	l.want(http.StatusNoContent)(change(map[string]any{"vm_service_spec": service(first, second)}))
	l.want(http.StatusOK, `{"content_library":"`+first+`","writable":true`, `{"content_library":"`+second+`","writable":false`)(
		l.rest(http.MethodGet, instances+"/v2/team", nil))
	l.running("team")
	l.want(http.StatusNoContent)(change(map[string]any{"vm_service_spec": service(second), "content_libraries": []any{}}))
	l.want(http.StatusOK, `"content_libraries":["`+second+`"]`)(l.rest(http.MethodGet, instances+"/v2/team", nil))
}

func TestNamespacesOfOthersAreThereFromTheStart(t *testing.T) {
	l := newLab(t)
	l.want(http.StatusOK, `"config_status":"RUNNING"`, `"vm_classes":["best-effort-large","best-effort-medium"]`)(
		l.rest(http.MethodGet, instances+"/v2/other-team", nil))
	if n := len(l.v.wcp.namespace("other-team").StorageSpecs); n != 2 {
		t.Errorf("%d storage policies; wanted 2", n)
	}
}
