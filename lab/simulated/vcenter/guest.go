package main

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Guests get addresses of 198.18.0.0/15, which RFC 2544 sets aside for tests: nothing real answers there.
const (
	guestPrefix  = 15
	guestGateway = "198.18.0.1"
	firstAddress = "198.18.0.10"

	bootstrapCondition = "guestinfo.vmservice.bootstrap.condition"
)

type addressPool struct {
	mu    sync.Mutex
	next  netip.Addr
	taken map[string]bool
}

func newAddressPool() *addressPool {
	return &addressPool{next: netip.MustParseAddr(firstAddress), taken: map[string]bool{}}
}

// allocate hands out addresses in turn, so that a released one is not used again soon.
func (p *addressPool) allocate() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.taken[p.next.String()] {
		p.advance()
	}
	address := p.next.String()
	p.taken[address] = true
	p.advance()
	return address
}

func (p *addressPool) advance() {
	p.next = p.next.Next()
	if !netip.MustParsePrefix(fmt.Sprintf("%s/%d", guestGateway, guestPrefix)).Contains(p.next.Next()) {
		p.next = netip.MustParseAddr(firstAddress)
	}
}

func (p *addressPool) reserve(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if address != "" {
		p.taken[address] = true
		if parsed, err := netip.ParseAddr(address); err == nil && !parsed.Less(p.next) {
			p.next = parsed
			p.advance()
		}
	}
}

func (p *addressPool) release(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, address)
}

// scheduleGuestReport lets the guest report some time after the power-on task has ended.
func (v *vcenter) scheduleGuestReport(vm *simulator.VirtualMachine, delay time.Duration) {
	time.AfterFunc(delay, func() {
		ctx := v.context()
		ctx.WithLock(vm, func() {
			if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn && v.registry.Get(vm.Self) != nil {
				v.reportGuestRunning(ctx, vm)
			}
		})
	})
}

// reportGuestRunning is what VMware Tools report of a running guest: address, routes, name. The VM is locked.
func (v *vcenter) reportGuestRunning(ctx *simulator.Context, vm *simulator.VirtualMachine) {
	ip := v.records.get(vm.Self.Value).IP
	if ip == "" && len(vm.Guest.Net) > 0 {
		ip = v.addresses.allocate()
		v.records.change(vm.Self.Value, func(r *vmRecord) { r.IP = ip })
	}
	nics := make([]types.GuestNicInfo, len(vm.Guest.Net))
	copy(nics, vm.Guest.Net)
	for i := range nics {
		nics[i].Connected, nics[i].Network = true, v.site.Network.Portgroup
		if i == 0 {
			nics[i].IpAddress = []string{ip}
			nics[i].IpConfig = &types.NetIpConfigInfo{IpAddress: []types.NetIpConfigInfoIpAddress{
				{IpAddress: ip, PrefixLength: guestPrefix, State: string(types.NetIpConfigInfoIpAddressStatusPreferred)},
			}}
		}
	}
	name := hostName(vm)
	var stack []types.GuestStackInfo
	if ip != "" {
		stack = []types.GuestStackInfo{{
			DnsConfig: &types.NetDnsConfigInfo{HostName: name},
			IpRouteConfig: &types.NetIpRouteConfigInfo{IpRoute: []types.NetIpRouteConfigInfoIpRoute{{
				Network: "0.0.0.0", Gateway: types.NetIpRouteConfigInfoGateway{IpAddress: guestGateway, Device: "0"},
			}}},
		}}
	}
	status := string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
	current := string(types.VirtualMachineToolsVersionStatusGuestToolsUnmanaged)
	ctx.Update(vm, []types.PropertyChange{
		{Name: "guest.toolsStatus", Val: types.VirtualMachineToolsStatusToolsOk},
		{Name: "guest.toolsRunningStatus", Val: status},
		{Name: "guest.toolsVersionStatus2", Val: current},
		{Name: "guest.guestState", Val: string(types.VirtualMachineGuestStateRunning)},
		{Name: "guest.hostName", Val: name},
		{Name: "guest.ipAddress", Val: ip},
		{Name: "guest.net", Val: nics},
		{Name: "guest.ipStack", Val: stack},
		{Name: "summary.guest.toolsStatus", Val: types.VirtualMachineToolsStatusToolsOk},
		{Name: "summary.guest.toolsRunningStatus", Val: status},
		{Name: "summary.guest.hostName", Val: name},
		{Name: "summary.guest.ipAddress", Val: ip},
	})
	if isDLVM(vm) {
		setExtraConfigValue(ctx, vm, bootstrapCondition, "true,Complete,the simulated deep learning workload is up")
	}
}

// reportGuestStopped is a guest that reports nothing. It keeps its address for the next start.
func (v *vcenter) reportGuestStopped(ctx *simulator.Context, vm *simulator.VirtualMachine) {
	nics := make([]types.GuestNicInfo, len(vm.Guest.Net))
	copy(nics, vm.Guest.Net)
	for i := range nics {
		nics[i].Connected, nics[i].IpAddress, nics[i].IpConfig = false, nil, nil
	}
	status := string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning)
	ctx.Update(vm, []types.PropertyChange{
		{Name: "guest.toolsStatus", Val: types.VirtualMachineToolsStatusToolsNotRunning},
		{Name: "guest.toolsRunningStatus", Val: status},
		{Name: "guest.guestState", Val: string(types.VirtualMachineGuestStateNotRunning)},
		{Name: "guest.hostName", Val: ""},
		{Name: "guest.ipAddress", Val: ""},
		{Name: "guest.net", Val: nics},
		{Name: "guest.ipStack", Val: []types.GuestStackInfo(nil)},
		{Name: "summary.guest.toolsStatus", Val: types.VirtualMachineToolsStatusToolsNotRunning},
		{Name: "summary.guest.toolsRunningStatus", Val: status},
		{Name: "summary.guest.hostName", Val: ""},
		{Name: "summary.guest.ipAddress", Val: ""},
	})
}

// hostName is the OVF property of that name, else the VM's name.
func hostName(vm *simulator.VirtualMachine) string {
	if vm.Config.VAppConfig != nil {
		for _, p := range vm.Config.VAppConfig.GetVmConfigInfo().Property {
			if value := strings.TrimSpace(p.Value); p.Id == "hostname" && value != "" {
				return value
			}
		}
	}
	return vm.Name
}

// isDLVM tells a Deep Learning VM by the product of its OVF descriptor.
func isDLVM(vm *simulator.VirtualMachine) bool {
	if extraConfigValue(vm, keyRole) == "dlvm" {
		return true
	}
	if vm.Config.VAppConfig != nil {
		for _, product := range vm.Config.VAppConfig.GetVmConfigInfo().Product {
			if product.Name == dlvmProduct {
				return true
			}
		}
	}
	return false
}

// extraConfigValue is a value of the VM's extraConfig.
func extraConfigValue(vm *simulator.VirtualMachine, key string) string {
	for _, option := range vm.Config.ExtraConfig {
		if value := option.GetOptionValue(); value != nil && value.Key == key {
			return fmt.Sprint(value.Value)
		}
	}
	return ""
}

func setExtraConfigValue(ctx *simulator.Context, vm *simulator.VirtualMachine, key, text string) {
	options := make([]types.BaseOptionValue, 0, len(vm.Config.ExtraConfig)+1)
	for _, option := range vm.Config.ExtraConfig {
		if option.GetOptionValue().Key != key {
			options = append(options, option)
		}
	}
	options = append(options, &types.OptionValue{Key: key, Value: text})
	ctx.Update(vm, []types.PropertyChange{{Name: "config.extraConfig", Val: options}})
}
