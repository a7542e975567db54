package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/vapi/namespace"
	"github.com/vmware/govmomi/vapi/rest"
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

func TestAClassMayHaveItsGPUsInItsConfigSpecOnly(t *testing.T) {
	l := newLab(t)
	path := management + "/virtual-machine-classes"
	class := func(profile string, locked bool) map[string]any {
		return map[string]any{"id": "client", "cpu_count": 8, "memory_MB": 65536, "config_spec": map[string]any{
			"memoryReservationLockedToMax": locked,
			"deviceChange": []any{map[string]any{"operation": "add", "device": map[string]any{
				"_typeName": "VirtualPCIPassthrough", "backing": map[string]any{"_typeName": "VirtualPCIPassthroughVmiopBackingInfo", "vgpu": profile},
			}}},
		}}
	}
	l.want(http.StatusBadRequest, "grid_h100-80c")(l.rest(http.MethodPost, path, class("grid_h100-80c", true)))
	l.want(http.StatusBadRequest, "memory_reservation must be 100")(l.rest(http.MethodPost, path, class("grid_a100-40c", false)))
	l.want(http.StatusNoContent)(l.rest(http.MethodPost, path, class("grid_a100-40c", true)))
	l.want(http.StatusOK, `"vgpu_devices":[]`, `"vgpu":"grid_a100-40c"`)(l.rest(http.MethodGet, path+"/client", nil))
	l.namespace("team", "client")
	l.want(http.StatusCreated, `"profile":"grid_a100-40c"`)(l.vm("one", "client"))
}

func TestVMClassesHoldTheMemoryRule(t *testing.T) {
	l := newLab(t)
	path := management + "/virtual-machine-classes"
	class := func(reservation int, devices map[string]any) map[string]any {
		return map[string]any{"id": "gpu", "cpu_count": 4, "memory_MB": 1024, "memory_reservation": reservation, "devices": devices}
	}
	profile := func(name string) map[string]any {
		return map[string]any{"vgpu_devices": []any{map[string]string{"profile_name": name}}}
	}
	device := []any{map[string]int{"vendor_id": 0x10de, "device_id": 0x26b9}}
	l.want(http.StatusBadRequest, "memory_reservation must be 100")(l.rest(http.MethodPost, path, class(50, profile("grid_a100-40c"))))
	l.want(http.StatusBadRequest, "grid_h100-80c", "grid_a100-80c")(l.rest(http.MethodPost, path, class(100, profile("grid_h100-80c"))))
	l.want(http.StatusNoContent)(l.rest(http.MethodPost, path, class(100, profile("grid_a100-40c"))))
	l.want(http.StatusBadRequest, "ALREADY_EXISTS")(l.rest(http.MethodPost, path, class(100, profile("grid_a100-40c"))))
	// The three spellings that clients use.
	for _, key := range []string{"dynamic_direct_path_IO_devices", "dynamic_direct_path_io_devices", "direct_path_io_devices"} {
		l.want(http.StatusNoContent)(l.rest(http.MethodPatch, path+"/gpu", map[string]any{"devices": map[string]any{key: device}}))
		l.want(http.StatusOK, `"dynamic_direct_path_IO_devices":[{"vendor_id":4318,"device_id":9913}]`, `"vgpu_devices":[]`)(
			l.rest(http.MethodGet, path+"/gpu", nil))
	}
	l.want(http.StatusNoContent)(l.rest(http.MethodDelete, path+"/gpu", nil))
	l.want(http.StatusNotFound)(l.rest(http.MethodGet, path+"/gpu", nil))
}

func TestTheOfficialBindingsUnderstandTheAnswers(t *testing.T) {
	l := newLab(t)
	ctx := l.context()
	client := rest.NewClient(l.client.Client)
	l.check(client.Login(ctx, l.v.service.Listen.User))
	manager := namespace.NewManager(client)
	supervisors, err := manager.GetSupervisorSummaries(ctx)
	l.check(err)
	if supervisors.Items[0].Info.Name != "pai-supervisor" || supervisors.Items[0].Info.ConfigStatus.String() != "RUNNING" {
		t.Errorf("%+v", supervisors)
	}
	l.check(manager.CreateVmClass(ctx, namespace.VirtualMachineClassCreateSpec{
		Id: "vgpu", CpuCount: 2, MemoryMb: 4096, MemoryReservation: 100,
		Devices: namespace.VirtualDevices{VgpuDevices: []namespace.VgpuDevice{{ProfileName: "grid_a100-8c"}}},
	}))
	class, err := manager.GetVmClass(ctx, "vgpu")
	l.check(err)
	if class.MemoryMb != 4096 || class.Devices.VgpuDevices[0].ProfileName != "grid_a100-8c" {
		t.Errorf("%+v", class)
	}
	l.check(manager.CreateNamespaceV2(ctx, namespace.NamespaceInstanceCreateSpecV2{
		Namespace: "team", Supervisor: supervisors.Items[0].Supervisor, VmServiceSpec: &namespace.VmServiceSpec{VmClasses: []string{"vgpu"}},
	}))
	info, err := manager.GetNamespaceV2(ctx, "team")
	l.check(err)
	if info.ConfigStatus != "CONFIGURING" || info.VmServiceSpec.VmClasses[0] != "vgpu" {
		t.Errorf("%+v", info)
	}
}

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

func TestAnOperatorGetsTheSameVMAgain(t *testing.T) {
	l := newLab(t)
	l.namespace("team", "best-effort-small")
	var group sync.WaitGroup
	answers := make([]string, 4)
	for i := range answers {
		group.Go(func() { _, answers[i] = l.vm("one", "best-effort-small") })
	}
	group.Wait()
	for _, answer := range answers {
		if answer != answers[0] || !strings.Contains(answer, `"ip":"198.18.0.10"`) {
			t.Errorf("answers: %v", answers)
		}
	}
	if n := len(l.v.virtualMachines()); n != 2 {
		t.Errorf("%d VMs; wanted one and the template", n)
	}
	vm, err := l.finder().VirtualMachine(l.context(), "Namespaces/team/one")
	l.check(err)
	if l.properties(vm).Runtime.PowerState != "poweredOn" {
		t.Error("the VM is not powered on")
	}
	l.want(http.StatusNoContent)(l.operator(http.MethodDelete, "/vms/one", nil))
	l.want(http.StatusNoContent)(l.operator(http.MethodDelete, "/vms/one", nil))
}

func TestAVMNeedsAClassOfItsNamespace(t *testing.T) {
	l := newLab(t)
	l.want(http.StatusNotFound, "NamespaceNotFound")(l.vm("one", "best-effort-small"))
	l.namespace("team", "best-effort-small")
	l.want(http.StatusConflict, "ClassNotInNamespace", "best-effort-small")(l.vm("one", "best-effort-large"))
	l.want(http.StatusConflict, "ClassNotFound")(l.vm("one", "none"))
}

func TestARemovedNamespaceLeavesNothingInTheInventory(t *testing.T) {
	l := newLab(t)
	l.namespace("team", "best-effort-small")
	l.want(http.StatusCreated)(l.vm("one", "best-effort-small"))
	l.want(http.StatusNoContent)(l.rest(http.MethodDelete, instances+"/team", nil))
	l.want(http.StatusOK)(l.operator(http.MethodPost, "/wcp/namespaces/team", map[string]bool{"gone": true}))
	if n := len(l.v.virtualMachines()); n != 1 {
		t.Errorf("%d VMs; wanted the template", n)
	}
	if folders, err := l.finder().FolderList(l.context(), "Namespaces/team"); err == nil {
		t.Errorf("folders: %v", folders)
	}
	if n := len(l.v.owned.all()); n != 0 {
		t.Errorf("%d VMs are still owned", n)
	}
}

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
