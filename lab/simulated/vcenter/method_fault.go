package main

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// methodFault is a fault with a message for people.
type methodFault struct {
	fault   types.BaseMethodFault
	message string
}

func (r *methodFault) Error() string { return r.message }

func configFault(format string, args ...any) *methodFault {
	message := fmt.Sprintf(format, args...)
	return &methodFault{&types.GenericVmConfigFault{Reason: message}, message}
}

func invalidBacking(format string, args ...any) *methodFault {
	return &methodFault{new(types.InvalidDeviceBacking), fmt.Sprintf(format, args...)}
}

// describeFault words the faults that the simulator gives without a message.
func describeFault(fault types.BaseMethodFault) string {
	switch f := fault.(type) {
	case *types.InvalidPowerState:
		return fmt.Sprintf("The attempted operation cannot be performed in the current state (%s).", f.ExistingState)
	case *types.DuplicateName:
		return fmt.Sprintf("The name '%s' already exists.", f.Name)
	case *types.InvalidArgument:
		return fmt.Sprintf("A specified parameter was not correct: %s", f.InvalidProperty)
	case *types.InvalidVmConfig:
		return fmt.Sprintf("Invalid configuration: %s", f.Property)
	case *types.FileAlreadyExists:
		return fmt.Sprintf("The file already exists: %s", f.File)
	}
	if cause := fault.GetMethodFault().FaultCause; cause != nil && cause.LocalizedMessage != "" {
		return cause.LocalizedMessage
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", fault), "*types.")
}
