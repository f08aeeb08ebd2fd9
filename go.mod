module zr

go 1.25
