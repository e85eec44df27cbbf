module github.com/networkdb/networkdb/tests/peers/peer

go 1.24
