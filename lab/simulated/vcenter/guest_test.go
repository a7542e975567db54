package main

import (
	"strings"
	"testing"
)

func TestARunningDLVMReportsAddressAndBootstrap(t *testing.T) {
	l := newLab(t)
	vm := l.mustClone("dlvm", "")
	l.check(l.powerOn(vm))
	properties := l.properties(vm)
	if properties.Guest.IpAddress != "198.18.0.10" || len(properties.Guest.IpStack) != 1 || properties.Guest.Net[0].IpConfig == nil {
		t.Errorf("guest: %+v", properties.Guest)
	}
	found := ""
	for _, option := range properties.Config.ExtraConfig {
		if value := option.GetOptionValue(); value.Key == bootstrapCondition {
			found = value.Value.(string)
		}
	}
	if !strings.HasPrefix(found, "true,") {
		t.Errorf("bootstrap condition %q", found)
	}
}
