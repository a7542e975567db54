package main

import (
	"net/http"
	"testing"
)

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
