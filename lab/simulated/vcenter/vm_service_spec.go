package main

import (
	"fmt"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

// serviceVM is the VM that the VM Service makes of a class.
func (v *vcenter) serviceVM(req *vmRequest, class *vmClass) *types.VirtualMachineConfigSpec {
	reserved := percent(class.MemoryMiB, class.MemoryReservation)
	locked := class.hasDevices()
	if locked {
		reserved = class.MemoryMiB
	}
	allocation := types.ResourceAllocationInfo{Reservation: &reserved, Limit: types.NewInt64(-1), Shares: &types.SharesInfo{Level: types.SharesLevelNormal}}
	spec := &types.VirtualMachineConfigSpec{
		Name: req.Name, GuestId: string(types.VirtualMachineGuestOsIdentifierUbuntu64Guest), Version: "vmx-21",
		NumCPUs: int32(class.CPUCount), NumCoresPerSocket: types.NewInt32(1), MemoryMB: class.MemoryMiB,
		MemoryAllocation: &allocation, MemoryReservationLockedToMax: &locked,
		Firmware:  string(types.GuestOsDescriptorFirmwareTypeEfi),
		Files:     &types.VirtualMachineFileInfo{VmPathName: fmt.Sprintf("[%s]", v.site.Datastore.Name)},
		ManagedBy: &types.ManagedByInfo{ExtensionKey: "com.vmware.vcenter.wcp", Type: "VirtualMachine"},
	}
	for key, value := range map[string]string{
		keyOwner: req.Owner, keyNamespace: req.Namespace, keyClass: req.Class, keyRole: req.Role, keyImage: req.Image,
	} {
		if value != "" {
			spec.ExtraConfig = append(spec.ExtraConfig, &types.OptionValue{Key: key, Value: value})
		}
	}
	spec.DeviceChange = v.commonDevices(roles[req.Role])
	key := int32(-200)
	add := func(backing types.BaseVirtualDeviceBackingInfo) {
		spec.DeviceChange = append(spec.DeviceChange, &types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationAdd,
			Device:    &types.VirtualPCIPassthrough{VirtualDevice: types.VirtualDevice{Key: key, Backing: backing}},
		})
		key--
	}
	vgpus, directPath := class.gpus()
	for _, device := range vgpus {
		add(&types.VirtualPCIPassthroughVmiopBackingInfo{Vgpu: device.ProfileName})
	}
	for _, device := range directPath {
		add(&types.VirtualPCIPassthroughDynamicBackingInfo{
			AllowedDevice: []types.VirtualPCIPassthroughAllowedDevice{{VendorId: int32(device.VendorID), DeviceId: int32(device.DeviceID)}},
			CustomLabel:   device.CustomLabel,
		})
	}
	return spec
}

// commonDevices are a disk and a network adapter.
func (v *vcenter) commonDevices(diskGib int64) []types.BaseVirtualDeviceConfigSpec {
	var devices object.VirtualDeviceList
	controller, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		panic(err) // a known type
	}
	disk := devices.CreateDisk(controller.(types.BaseVirtualController), v.datastore, "")
	disk.CapacityInKB = diskGib << 20
	disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).ThinProvisioned = types.NewBool(true)
	devices = append(devices, controller, disk)
	nic, err := devices.CreateEthernetCard("vmxnet3", v.portgroupBacking())
	if err != nil {
		panic(err) // a known type
	}
	devices = append(devices, nic)
	specs, err := devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	if err != nil {
		panic(err) // only reads the list
	}
	return specs
}
