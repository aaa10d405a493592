package zammad

// SplitName is splitName, for tests.
var SplitName = splitName
