// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/gzip.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace moecal::interchange {
namespace {

/// "m,n\n1,2\n" as gzip writes it.
const std::string& packed() {
  static constexpr char kBytes[] =
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\xd5\xc9\xe3\x32\xd4\x31\xe2\x02\x00\x4f\xd2\xfa"
      "\x2a\x08\x00\x00\x00";
  static const std::string kPacked{kBytes, sizeof kBytes - 1};
  return kPacked;
}

std::string what_is_wrong(const std::string& bytes) {
  try {
    return "read as: " + gunzip(bytes, "t.csv.gz");
  } catch (const InvalidInput& error) {
    return error.what();
  }
}

TEST(Gzip, Unpacks) {
  EXPECT_TRUE(is_gzip(packed()));
  EXPECT_FALSE(is_gzip("m,n\n"));
  EXPECT_EQ(gunzip(packed(), "t"), "m,n\n1,2\n");
}

TEST(Gzip, JoinsMembers) { EXPECT_EQ(gunzip(packed() + packed(), "t"), "m,n\n1,2\nm,n\n1,2\n"); }

TEST(Gzip, SaysWhatIsWrong) {
  EXPECT_EQ(what_is_wrong(packed().substr(0, packed().size() - 6)),
            "'t.csv.gz' is gzip-compressed and ends in the middle: it was cut short");
  auto damaged = packed();
  damaged[damaged.size() - 6] ^= 1;  // in the checksum
  EXPECT_EQ(what_is_wrong(damaged), "'t.csv.gz' is gzip-compressed and is damaged");
  EXPECT_EQ(what_is_wrong("m,n"), "'t.csv.gz' is gzip-compressed and is damaged");
}

}  // namespace
}  // namespace moecal::interchange
