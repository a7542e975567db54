module paif.local/lab/vcenter

go 1.25.0

require (
	github.com/google/uuid v1.6.0
	github.com/vmware/govmomi v0.54.1
	gopkg.in/yaml.v3 v3.0.1
)

require golang.org/x/text v0.34.0 // indirect
