module github.com/networkdb/networkdb/bindings/go

go 1.25
