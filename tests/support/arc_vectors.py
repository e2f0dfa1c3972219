"""A chain of two sets that another implementation made, with the RSA key of RFC 8463; the subject was changed between."""

from tests.support.dkim_vectors import wire

FOREIGN_CHAIN = wire("""
    ARC-Seal: i=2; cv=pass; a=rsa-sha256; d=football.example.com; s=test;
     t=1528637910;
     b=NIrjsBGdJx9JgUR7TDxQSIFJPISqIGi+7/dfze6ZC35tDJqXajE+TdMqcsTtTQP77x5GZ
     3GuOAkAyTG1zgE2DfaqNmS7an1gIIXRpuKeZEgmU4nrvdDT4HTS1cN2IZ1BH2GGTBoJEIJ4
     3yUnvU/63vDN1QbtpSVqthPYLrDOzYY=
    ARC-Message-Signature: i=2; a=rsa-sha256; c=relaxed/relaxed;
     d=football.example.com; s=test; t=1528637910; h=from : to : subject :
     date : message-id : from;
     bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
     b=fIw+8PvJO50DyVEQVKTXsy2OF64/gRjDhviU/mRbMtkjajCtaVt5LUJE1b/ButEzcrApp
     bB1qY7ZVP1JRXzTj+9Tmn6XM9u+NecRjpYzV4IEX/0AZL4ioBWaZc6CcaPAukOyYV2IRinh
     pa7xW715ZzE7AXQ9q+oO2Xj7z3nXVxs=
    ARC-Authentication-Results: i=2; lists.example.org;
     arc=pass;
     spf=pass smtp.mailfrom=joe@football.example.com;
     dmarc=pass header.from=football.example.com
    ARC-Seal: i=1; cv=none; a=rsa-sha256; d=football.example.com; s=test;
     t=1528637909;
     b=Q5TxrGWwNDFAchhBXRptza/aENEGqV4G3y7ISTPGfHtwnBG2i30M1kuEFcxL9Ng4EqkAN
     PPjGDhbaoUdjIVaWFlyvpgqyKTOELnW/pUf5gNRh13NJLNDxxAKFnAHJaSCk0n+kCyiUI9v
     8SBh76TDXV1O7LaLViSNR/RViGs+S/4=
    ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed;
     d=football.example.com; s=test; t=1528637909; h=from : to : subject :
     date : message-id : from;
     bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
     b=NtRlOnSKdw/uFwSuxeo19hFn/LHoX0/FoBO5O27OqyQH9K1Zl6k+pbFiu1vGvYlHntH8m
     oKqJHgN/bDJ9hLN4r/52dxifOP3weV2dRyEIYhodsT0OquI3k4firOjc9tD7AHnCiPgcmex
     U8rjFkbb02rm6CrkdKpfnniMH5A1Upc=
    ARC-Authentication-Results: i=1; relay.example.net;
     arc=none;
     spf=pass smtp.mailfrom=joe@football.example.com;
     dmarc=pass header.from=football.example.com
    From: Joe SixPack <joe@football.example.com>
    To: Suzie Q <suzie@shopping.example.net>
    Subject: [list] Is dinner ready?
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
    Message-ID: <20030712040037.46341.5F8J@football.example.com>

    Hi.

    We lost the game. Are you hungry yet?

    Joe.
    """)
