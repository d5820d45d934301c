// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/write_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "core/error.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/verb_process.hpp"

namespace moecal::cli {
namespace {

namespace fs = std::filesystem;

class WriteFile : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return folder_.path(name); }
  [[nodiscard]] std::ptrdiff_t files() const {
    return std::distance(fs::directory_iterator{folder_.path()}, {});
  }

  TemporaryFolder folder_;
};

/// As a full disk does: no file grows past so many bytes.
class LargestFile {
 public:
  explicit LargestFile(rlim_t bytes) : handler_{std::signal(SIGXFSZ, SIG_IGN)} {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~LargestFile() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  LargestFile(const LargestFile&) = delete;
  LargestFile& operator=(const LargestFile&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_F(WriteFile, MakesTheFolderAndReplacesTheWhole) {
  write_file(path("a/b/c.json"), "longer than what follows");
  write_file(path("a/b/c.json"), "short");
  EXPECT_EQ(read_file(path("a/b/c.json")), "short");
}

TEST_F(WriteFile, LeavesWhatWasThereIfTheDiskIsFull) {
  write_file(path("c.json"), "measured last year");
  {
    const LargestFile limit{1000};
    EXPECT_THROW(write_file(path("c.json"), std::string(100'000, 'x')), Error);
  }
  EXPECT_EQ(read_file(path("c.json")), "measured last year");
  EXPECT_EQ(files(), 1);
}

TEST_F(WriteFile, WritesThroughLinksAndKeepsPermissions) {
  write_file(path("c.json"), "old");
  fs::permissions(path("c.json"), fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("c.json", path("link.json"));
  write_file(path("link.json"), "new");
  EXPECT_TRUE(fs::is_symlink(path("link.json")));
  EXPECT_EQ(read_file(path("c.json")), "new");
  EXPECT_EQ(fs::status(path("c.json")).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(WriteFile, MakesTheFileThatALinkLeadsTo) {
  fs::create_directories(path("folder"));
  fs::create_symlink("folder/second", path("first"));
  fs::create_symlink("../c.json", path("folder/second"));
  write_file(path("first"), "new");
  EXPECT_TRUE(fs::is_symlink(path("first")));
  EXPECT_TRUE(fs::is_symlink(path("folder/second")));
  EXPECT_EQ(read_file(path("c.json")), "new");
}

TEST_F(WriteFile, NamesALinkThatLeadsToItselfOrToNoFolder) {
  fs::create_symlink("loop", path("loop"));
  fs::create_symlink("missing/c.json", path("astray"));
  EXPECT_THROW(write_file(path("loop"), "x"), Error);
  EXPECT_THROW(write_file(path("astray"), "x"), Error);
  EXPECT_EQ(files(), 2);
}

/// Root may write everywhere: as a user who owns nothing.
class OfNobody {
 public:
  OfNobody() {
    if (before_ == 0) done_ = ::seteuid(65534) == 0;
  }
  ~OfNobody() {
    if (::seteuid(before_) != 0) std::abort();
  }
  OfNobody(const OfNobody&) = delete;
  OfNobody& operator=(const OfNobody&) = delete;
  [[nodiscard]] bool may_write(const std::string& folder) const {
    return !done_ || ::euidaccess(folder.c_str(), W_OK) == 0;
  }

 private:
  uid_t before_ = ::geteuid();
  bool done_ = true;
};

TEST_F(WriteFile, WritesOverAFileInAFolderThatTakesNoOther) {
  write_file(path("c.json"), "longer than what follows");
  fs::permissions(path("c.json"), fs::perms{0666});
  fs::permissions(folder_.path(), fs::perms{0555});
  {
    const OfNobody user;
    if (user.may_write(folder_.path())) GTEST_SKIP() << "no user here who may not";
    write_file(path("c.json"), "short");
    EXPECT_THROW(write_file(path("other.json"), "x"), Error);
  }
  fs::permissions(folder_.path(), fs::perms{0755});
  EXPECT_EQ(read_file(path("c.json")), "short");
  EXPECT_EQ(files(), 1);
}

TEST_F(WriteFile, WritesAFileWhoseNameLeavesNoRoomForADraft) {
  const auto name = path(std::string(255, 'n'));
  write_file(name, "old");
  write_file(name, "new");
  EXPECT_EQ(read_file(name), "new");
}

TEST_F(WriteFile, WritesToDevicesWhichStayDevices) {
  write_file("/dev/null", "nothing");
  EXPECT_FALSE(fs::is_regular_file("/dev/null"));
}

TEST_F(WriteFile, NamesTheFileThatCannotBeWritten) {
  write_file(path("file"), "no folder");
  try {
    write_file(path("file/c.json"), "x");
    FAIL() << "written below a file";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("cannot write '" + path("file/c.json") + "'"));
  }
}

}  // namespace
}  // namespace moecal::cli
