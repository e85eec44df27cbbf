module github.com/networkdb/networkdb/tests/peers/gob

go 1.26.3

require github.com/golang/snappy v1.0.0
