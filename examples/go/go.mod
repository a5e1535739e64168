module receipt

go 1.24

require jobhost-plugin v0.0.0

replace jobhost-plugin => ./jobhost-plugin
