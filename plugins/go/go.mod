module jobhost-plugin

go 1.24
