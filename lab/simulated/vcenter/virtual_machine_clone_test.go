package main

import "testing"

func TestAClonesSettingsAreThoseOfItsTemplate(t *testing.T) {
	l := newLab(t)
	first, second := l.properties(l.mustClone("first", "")), l.properties(l.mustClone("second", ""))
	if first.Config.Firmware != "efi" {
		t.Errorf("firmware %s", first.Config.Firmware)
	}
	if n := len(first.Config.VAppConfig.GetVmConfigInfo().Property); n != 19 {
		t.Errorf("%d OVF properties; wanted 19", n)
	}
	if first.Config.Uuid == second.Config.Uuid || first.Config.InstanceUuid == second.Config.InstanceUuid {
		t.Error("two VMs have the same id")
	}
	if first.Runtime.Host.Value == second.Runtime.Host.Value {
		t.Error("both clones are on one host, with six empty ones")
	}
}
