// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/utf8.hpp"

#include <gtest/gtest.h>

namespace moecal::interchange {
namespace {

std::string replaced(std::string text) {
  (void)replace_what_is_not_utf8(text);
  return text;
}

TEST(Utf8, LeavesTextAlone) {
  for (const std::string text : {"", "plain\n", "\xC3\xA9", "\xE2\x86\x92", "\xF0\x9F\x98\x80"})
    EXPECT_EQ(replaced(text), text);
}

TEST(Utf8, ReplacesBytesOneByOne) {
  EXPECT_EQ(replaced("a\xFF"), "a?");
  EXPECT_EQ(replaced("\xC3"), "?");                 // cut
  EXPECT_EQ(replaced("\xC3("), "?(");               // not continued
  EXPECT_EQ(replaced("\xC0\xAF"), "??");            // longer than needed
  EXPECT_EQ(replaced("\xE0\x80\xAF"), "???");       // longer than needed
  EXPECT_EQ(replaced("\xED\xA0\x80"), "???");       // half of a pair
  EXPECT_EQ(replaced("\xF4\x90\x80\x80"), "????");  // beyond the last character
  std::string text{"\xFFok\x80"};
  EXPECT_EQ(replace_what_is_not_utf8(text), 2);
}

}  // namespace
}  // namespace moecal::interchange
