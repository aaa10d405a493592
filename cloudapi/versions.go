package cloudapi

import "time"

// versionEnds are the days on which versions of the Graph API end, by Meta's changelog
// (https://developers.facebook.com/docs/graph-api/changelog, as of September 2026). A version lives for at least two
// years, and until two years after its successor came; the end of the newest one is not known.
var versionEnds = map[string]time.Time{
	"v19.0": time.Date(2026, time.May, 21, 0, 0, 0, 0, time.UTC),
	"v20.0": time.Date(2026, time.September, 24, 0, 0, 0, 0, time.UTC),
	"v21.0": time.Date(2027, time.January, 21, 0, 0, 0, 0, time.UTC),
	"v22.0": time.Date(2027, time.May, 20, 0, 0, 0, 0, time.UTC),
	"v23.0": time.Date(2027, time.October, 8, 0, 0, 0, 0, time.UTC),
	"v24.0": time.Date(2028, time.February, 18, 0, 0, 0, 0, time.UTC),
	"v25.0": time.Date(2028, time.July, 29, 0, 0, 0, 0, time.UTC),
}

// VersionEnd returns the day on which a version of the Graph API ends, if that is known.
func VersionEnd(version string) (time.Time, bool) {
	end, known := versionEnds[version]
	return end, known
}
