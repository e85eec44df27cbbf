module github.com/networkdb/networkdb/examples/go

go 1.25

require github.com/networkdb/networkdb/bindings/go v0.0.0

replace github.com/networkdb/networkdb/bindings/go => ../../bindings/go
